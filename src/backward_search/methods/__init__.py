"""The methods behind `--method`: what moves a query, and by what the gallery is ranked."""
