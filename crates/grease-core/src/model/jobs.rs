//! The settings of a job, by runner and by name: the section `jobs` of the config.
