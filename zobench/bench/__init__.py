"""Speed, measured interleaved: `bench overhead` and `bench step`."""
