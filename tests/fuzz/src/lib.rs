//! The corpus of the fuzz targets, and the program that runs them. The targets are in `host/src/fuzzing`.
