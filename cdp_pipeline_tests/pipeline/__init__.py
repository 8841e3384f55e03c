"""The stages from landing files to stitched events, driven without Dagster through real files and a real warehouse.

driver.py builds a project folder, runs the stages and reads the tables; comparison.py puts beside each other what the
pipeline published and what the oracle says.
"""
