"""Components that work through services of Google Cloud. None of them is verified against the real service.

google_cloud_big_query.py       Pusher: a model for BigQuery ML
google_cloud_ai_platform/       Trainer, Tuner, Pusher and BulkInferrer on Vertex AI
cloud_pusher.py                 what Pushers to a service have in common
custom_config.py                what is wrong with a custom_config
client_library.py               Google's client libraries, imported when they are used
"""
