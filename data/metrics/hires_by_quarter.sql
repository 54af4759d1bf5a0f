/*
title: Hires per job and department, by quarter
description: How many people were hired in a year for each job in each department, one column per quarter. Accepted rows only.
chart: {kind: bars, x: department, y: [Q1, Q2, Q3, Q4]}
parameters:
  year: {type: integer, default: 2021, description: The year of hiring (UTC).}
refresh: on_change
*/
SELECT d.department, j.job,
  count(*) FILTER (WHERE extract(quarter FROM h.hired_at AT TIME ZONE 'UTC') = 1) AS "Q1",
  count(*) FILTER (WHERE extract(quarter FROM h.hired_at AT TIME ZONE 'UTC') = 2) AS "Q2",
  count(*) FILTER (WHERE extract(quarter FROM h.hired_at AT TIME ZONE 'UTC') = 3) AS "Q3",
  count(*) FILTER (WHERE extract(quarter FROM h.hired_at AT TIME ZONE 'UTC') = 4) AS "Q4"
FROM hr.hired_employees h
JOIN hr.departments d ON d.id = h.department_id AND d._instance = h._instance
JOIN hr.jobs j ON j.id = h.job_id AND j._instance = h._instance
WHERE extract(year FROM h.hired_at AT TIME ZONE 'UTC') = :year
GROUP BY d.department, j.job
ORDER BY d.department, j.job
