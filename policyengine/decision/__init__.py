"""Bundle and facts to a Decision; pure and replayable."""
