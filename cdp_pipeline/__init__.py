"""Who is who in a company's events, and what is known about each person, inside the company's own database."""
