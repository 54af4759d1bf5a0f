/*
title: Departments that hired more than the mean
description: Departments that hired more people in a year than the mean over all departments, those without a hire as well. Accepted rows only.
chart: {kind: bars, x: department, y: hired}
parameters:
  year: {type: integer, default: 2021, description: The year of hiring (UTC).}
refresh: on_change
*/
WITH hires AS (
  SELECT d._instance, d.id, d.department, count(h.id) AS hired
  FROM hr.departments d
  LEFT JOIN hr.hired_employees h ON h.department_id = d.id AND h._instance = d._instance
    AND extract(year FROM h.hired_at AT TIME ZONE 'UTC') = :year
  GROUP BY d._instance, d.id, d.department
)
SELECT id, department, hired FROM hires
WHERE hired > (SELECT avg(hired) FROM hires)
ORDER BY hired DESC, department
