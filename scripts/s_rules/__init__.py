"""What fc3's schema lets pass in `s.yaml` and we do not: one module per subject. Pure: no file is read here.

The schema takes any object for a trigger, and fc3 logs what it does not like without stopping: these rules do stop.
"""
