"""`make accuracy`: labelled sets through `contactpoint link`'s own path, beside Splink 5 in the same run."""
