"""What answers, and at what price: prompts in service and on trial, dated prices, figures of each model.

`choice` and `prices` are what the rungs ask while they answer; `prompts`, `trials` and `figures` are what
people see and set.
"""
