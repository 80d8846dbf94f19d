//! Sizes, spans of time and shares, as people write them in a config file.
