"""One output format a file: shells.py has the shell dialects, formats.py what `export` can print, table.py what people read."""
