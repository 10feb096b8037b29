# Program: Python with its large modules
# Demand: filesystem
# Expect: ok
# Prints: ^json, re, ssl, decimal: 4 of 4$
# Needs: python3
import decimal
import json
import random
import re
import ssl
import tempfile

fine = [json.loads(json.dumps({"a": [1, 2]})) == {"a": [1, 2]}, bool(re.match(r"(a+)+b", "aaab")),
        ssl.create_default_context() is not None, decimal.Decimal("0.1") + decimal.Decimal("0.2") == decimal.Decimal("0.3")]
with tempfile.NamedTemporaryFile("w+") as file:
    file.write(str(random.random()))
print(f"json, re, ssl, decimal: {sum(fine)} of 4")
