//! Devices and links in one virtual time.
