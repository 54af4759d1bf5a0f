"""The verbs: register, parse, judge, merge, publish, back up, restore. Each takes what it needs and returns a small frozen result."""
