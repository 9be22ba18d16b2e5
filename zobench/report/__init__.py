"""Results as a page: one HTML file, Markdown, CSV."""
