//! A safe wrapper around the patched Unicorn engine.
