"""Python imports this when it starts: there, the extra `quality` is not installed. It takes seconds to import."""

import sys

sys.modules["great_expectations"] = None  # type: ignore[assignment]
