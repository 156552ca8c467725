"""Checks of a deployment: whether its parts are there, work, and agree. One file for each part, joined by
`examine`."""
