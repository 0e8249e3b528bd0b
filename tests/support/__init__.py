"""Support for the system tests: real daemons, raw clients and a raw worker."""
