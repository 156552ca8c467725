"""The API: routes and one file a resource."""
