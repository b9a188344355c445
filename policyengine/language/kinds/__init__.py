"""One module a kind of document: nodes to model values."""
