"""Which columns are what. Only what is known before departure may be a feature: no departure time, no delay."""

LABEL = "late"

WEATHER = ("temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib")
NUMBERS = ("month", "day", "hour", "minute", "sched_arr_time", "distance", *WEATHER)
CATEGORIES = ("carrier", "origin", "dest", "month", "day", "weekday", "hour")
# They name a flight in the printed tables, and are no features.
NAMES = ("flight",)
COLUMNS = tuple(dict.fromkeys((*CATEGORIES, *NUMBERS, *NAMES, LABEL)))
