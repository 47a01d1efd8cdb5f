"""What is rich: one file per kind. Each is checked and copied when it is logged, and encoded when written."""
