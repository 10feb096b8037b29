"""Grades stats.py: ten points for each problem whose tests all pass."""
import json
import random
import statistics
import sys
import unittest

import stats


class Mean(unittest.TestCase):
    def test_small(self):
        self.assertAlmostEqual(stats.mean([1, 2, 4]), 7 / 3)

    def test_random(self):
        values = [random.Random(7).uniform(-1e6, 1e6) for _ in range(10_000)]
        self.assertAlmostEqual(stats.mean(values), statistics.fmean(values))


class Median(unittest.TestCase):
    def test_odd_and_even(self):
        self.assertEqual(stats.median([3, 1, 2]), 2)
        self.assertEqual(stats.median([4, 1, 3, 2]), 2.5)

    def test_does_not_change_its_argument(self):
        values = [3, 1, 2]
        stats.median(values)
        self.assertEqual(values, [3, 1, 2])


class Deviation(unittest.TestCase):
    def test_random(self):
        generator = random.Random(11)
        values = [generator.gauss(5, 2) for _ in range(10_000)]
        self.assertAlmostEqual(stats.deviation(values), statistics.stdev(values))


scores = {}
for problem in (Mean, Median, Deviation):
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(problem)
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2).run(suite)
    scores[problem.__name__.lower()] = 10 if result.wasSuccessful() else 0
print(json.dumps({"scores": scores}))
