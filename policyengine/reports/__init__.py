"""Reports as pure functions: JUnit, SARIF, Markdown and annotations, from values to text."""
