//! Processes, as `/proc` shows them (`proc(5)`).
