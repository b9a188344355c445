"""Policy files in one canonical form."""
