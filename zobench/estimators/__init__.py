"""The estimators: one file each, under the name that users type."""
