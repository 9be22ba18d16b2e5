"""Reports of results: an HTML file, Markdown or CSV files."""
