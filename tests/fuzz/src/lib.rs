//! The corpus of the fuzz targets, and what feeds them. The targets stand in `host/src/fuzzing`.
