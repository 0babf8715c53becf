"""Galleries in memory and on disk, and the engines that propose candidates."""
