"""The verbs past one machine, on Ray: workers encode, the process that was started plans and stores. Nothing else
imports Ray, and only inside functions."""
