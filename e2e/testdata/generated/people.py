"""Knows of Presently only what a generator made of its contract: Ada beats, Ben sees her, and what goes wrong is a problem with a code."""

import json
import os

import presently_api


def client(token):
    settings = presently_api.Configuration(host=os.environ["URL"])
    settings.access_token = token
    return presently_api.ApiClient(settings)


ada, ben = client(os.environ["ADA"]), client(os.environ["BEN"])
beat = presently_api.PresenceApi(ada).heartbeat(presently_api.Beat(session_id="generated-py", state="busy"))
seen = presently_api.PresenceApi(ben).get_presence("ada")
try:
    presently_api.RoomsApi(ben).join_room("lobby", "not-there")
    code = "none"
except presently_api.ApiException as error:
    code = json.loads(error.body)["code"]
print(beat.session.session_id, beat.ttl_ms, seen.status, seen.profile.name, code)
