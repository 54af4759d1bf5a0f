"""What becomes of memory that was freed while a dump is read. Here, not at import: it is a matter of the whole process.

Not here: how much is held at once; that is bounded where it is held (batches, blocks, engine.memory_limit).
"""

from __future__ import annotations

import pyarrow as pa


def share_freed_memory() -> None:
    """From now on Arrow takes its memory where numpy and Python take theirs: what one freed serves the others.

    With its own allocator both kept what they had freed: 50 to 75 MB more at the highest, for a table of 20 columns, and no faster.
    """
    pa.set_memory_pool(pa.system_memory_pool())


def give_back_memory() -> None:
    """Gives what is freed back to the system: between two steps that each need much."""
    pa.system_memory_pool().release_unused()
