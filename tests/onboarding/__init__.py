"""Tests of what an export is proposed to be."""
