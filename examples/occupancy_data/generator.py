"""Makes an office's sensor rows where the real ones are not at hand: the same seed gives the same rows.

One row a minute, with the columns of Candanedo and Feldheim (Energy and Buildings 112, 2016, 28-39). People come in the
morning, go to lunch and leave in the evening, not at weekends; they warm the room and breathe, and switch on the light,
which often burns on through lunch and for a while after they have left.
"""

from __future__ import annotations

import math
from datetime import date, datetime, timedelta

import numpy as np

COLUMNS = ("date", "Temperature", "Humidity", "Light", "CO2", "HumidityRatio", "Occupancy")
MINUTES = 24 * 60
_OUTSIDE_CO2 = 430.0  # ppm


def generate(first: date, days: int, seed: int) -> list[list[str]]:
    """Rows of whole days, one a minute, as texts in the order of COLUMNS."""
    pick = np.random.default_rng([seed, first.toordinal()])
    rows: list[list[str]] = []
    temperature, carbon, humidity = 20.5, _OUTSIDE_CO2, 25.5
    for number in range(days):
        day = first + timedelta(days=number)
        people = occupied(day, pick)
        lamp = lit(people, pick)
        clouds = np.clip(0.55 + 0.35 * np.cumsum(pick.normal(0, 0.02, MINUTES)), 0.05, 1.0)
        for minute in range(MINUTES):
            sun = max(0.0, math.sin(math.pi * (minute / 60 - 7.5) / 10)) * clouds[minute]  # winter: 7:30 to 17:30
            here = float(people[minute])
            temperature += (20.2 + 1.6 * sun + 2.4 * here - temperature) / 180 + pick.normal(0, 0.01)
            carbon += (_OUTSIDE_CO2 - carbon) / 150 + 4.5 * here + pick.normal(0, 1.5)
            humidity += (25.0 + 2.0 * here - humidity) / 240 + pick.normal(0, 0.02)
            burns = float(lamp[minute])
            light = 250 * sun + 420 * burns * (1 - 0.25 * sun) + (pick.normal(0, 6) if sun or burns else 0.0)
            at = datetime.combine(day, datetime.min.time()) + timedelta(minutes=minute)
            values = (temperature, humidity, max(0.0, light), carbon)
            rows.append(
                [f"{at:%Y-%m-%d %H:%M:%S}", *(f"{value:.6g}" for value in values),
                 f"{humidity_ratio(temperature, humidity):.9f}", str(int(here))]
            )  # fmt: skip
    return rows


def occupied(day: date, pick: np.random.Generator) -> np.ndarray:
    """Whether somebody is in the room, for each minute of a day; shape (1440,)."""
    here = np.zeros(MINUTES, dtype=bool)
    come, lunch, leave = (round(pick.normal(at, width)) for at, width in ((470, 15), (750, 10), (1085, 25)))
    away = round(pick.uniform(25, 70))
    if day.weekday() < 5:
        here[come:leave] = True
        here[lunch : lunch + away] = False
    return here


def lit(people: np.ndarray, pick: np.random.Generator) -> np.ndarray:
    """Whether the lamp burns, for each minute of a day: with people, and sometimes longer; shape (1440,)."""
    burns = people.copy()
    for minute in np.flatnonzero(people[:-1] & ~people[1:]):
        if pick.random() < 0.6:
            burns[minute : minute + round(pick.exponential(30))] = True
    return burns


def humidity_ratio(temperature: float, humidity: float) -> float:
    """Kilograms of water in a kilogram of air, at 1013.25 hPa.

    Args:
        temperature: In degrees Celsius.
        humidity: Relative, in percent.

    Source: Magnus formula, Alduchov and Eskridge, Journal of Applied Meteorology 35 (1996), 601-609.
    """
    pressure = humidity / 100 * 610.94 * math.exp(17.625 * temperature / (temperature + 243.04))
    return 0.62198 * pressure / (101_325 - pressure)
