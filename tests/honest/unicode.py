# Program: names and output in many scripts
# Demand: output
# Expect: ok
# Prints: ^grüße 世界 🎓 αβγ ok$
# Needs: python3
import os

name = "grüße 世界 🎓 αβγ"
os.mkdir(name)
with open(f"{name}/файл.txt", "w", encoding="utf-8") as file:
    file.write("ok")
with open(f"{os.listdir('.')[os.listdir('.').index(name)]}/файл.txt", encoding="utf-8") as file:
    print(name, file.read())
