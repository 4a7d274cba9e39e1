"""The classroom: exercises and their checks, the workbook, and the making of its notebooks."""
