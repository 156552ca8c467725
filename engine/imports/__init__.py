"""Files of customers (CSV, Parquet) as traits: read line by line, cleaned, sent, and accounted for."""
