"""Which columns are what."""

LABEL = "species"
NUMBERS = ("bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g")
CATEGORIES = ("island", "sex")
COLUMNS = (*CATEGORIES, *NUMBERS, LABEL)
