/*
 Navicat Premium Data Transfer

 Source Server         : x
 Source Server Type    : MySQL

 Date: 06/11/2017 15:22:33
*/

SET NAMES utf8mb4;
SET FOREIGN_KEY_CHECKS = 0;

-- ----------------------------
-- Table structure for t
-- ----------------------------
DROP TABLE IF EXISTS `t`;
CREATE TABLE `t`  (
  `id` int(11) NOT NULL,
  `s` varchar(9) CHARACTER SET utf8 COLLATE utf8_general_ci NULL DEFAULT NULL,
  `n` decimal(5, 2) NULL DEFAULT NULL,
  PRIMARY KEY (`id`) USING BTREE
) ENGINE = InnoDB CHARACTER SET = utf8 COLLATE = utf8_general_ci ROW_FORMAT = Dynamic;

-- Records of t
INSERT INTO `t` VALUES ('1', 'x', '11');
INSERT INTO `t` VALUES ('2', NULL, '0.50');

SET FOREIGN_KEY_CHECKS = 1;
