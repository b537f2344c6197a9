//! Off-chip parts.
