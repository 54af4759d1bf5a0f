/*
title: Pet licences per species and year
description: How many pet licences the city of Seattle issued for each species in each year.
chart: {kind: columns, x: year, y: licences, series: species}
refresh: on_change
*/
SELECT species, extract(year FROM CAST(license_issue_date AS date))::integer AS year, count(*) AS licences
FROM seattle.pet_license
GROUP BY species, year
ORDER BY year, species
