"""Folders of mydumper: one logical dump in many SQL files."""
