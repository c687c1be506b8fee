"""A transformer's block on an SN40L-style fabric: units, their configuration, memory images, a driver."""
