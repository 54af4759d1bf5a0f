-- Adminer 4.8.1 MySQL 8.0.28 dump

SET NAMES utf8;
SET time_zone = '+00:00';
SET foreign_key_checks = 0;

DROP TABLE IF EXISTS `t`;
CREATE TABLE `t` (`id` int NOT NULL, `b` blob) ENGINE=InnoDB;

INSERT INTO `t` (`id`, `b`) VALUES
(1,	x'00ff'),
(2,	'');

-- 2022-03-04 05:06:07
