# ************************************************************
# Sequel Pro SQL dump
# Version 4541
#
# Host: 127.0.0.1 (MySQL 5.7.17)
# Database: x
# Generation Time: 2017-11-02 10:00:00 +0000
# ************************************************************


/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */;
/*!40101 SET NAMES utf8 */;

# Dump of table t
# ------------------------------------------------------------

DROP TABLE IF EXISTS `t`;

CREATE TABLE `t` (
  `id` int(11) unsigned NOT NULL AUTO_INCREMENT,
  PRIMARY KEY (`id`)
) ENGINE=InnoDB;

LOCK TABLES `t` WRITE;

INSERT INTO `t` (`id`)
VALUES
	(1),
	(2);

UNLOCK TABLES;



/*!40101 SET CHARACTER_SET_CLIENT=@OLD_CHARACTER_SET_CLIENT */;
