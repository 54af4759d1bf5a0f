/*!40101 SET NAMES binary*/;
/*!40014 SET FOREIGN_KEY_CHECKS=0*/;
/*!40103 SET TIME_ZONE='+00:00' */;
CREATE TABLE `s` (
  `next_not_cached_value` bigint(21) NOT NULL
) ENGINE=InnoDB SEQUENCE=1;
