"""Each vendor's words for events (`clinical.events`). Where the words come from stands above each table."""

from typing import Final

from clinical.events import EventTable

# Dexcom API v3, alerts: alertName (developer documentation). `fixedLow` is the 55 mg/dL alert of older receivers.
DEXCOM_ALERTS: Final = EventTable(
    {
        "high": "alert-high",
        "low": "alert-low",
        "rise": "alert-rise",
        "fall": "alert-fall",
        "outOfRange": "out-of-range",
        "urgentLow": "alert-urgent-low",
        "urgentLowSoon": "alert-urgent-low-soon",
        "noReadings": "alert-no-readings",
        "fixedLow": "alert-urgent-low",
        "signalLoss": "signal-loss",
    }
)

# Dexcom receivers over USB and Bluetooth: glucose values below 20 are states (Tidepool uploader, xDrip).
DEXCOM_SENSOR_CODES: Final = EventTable(
    {
        "1": "sensor-stop",
        "2": "sensor-error",
        "3": "signal-loss",
        "5": "calibration-needed",
        "6": "sensor-error",
        "9": "sensor-error",
        "10": "sensor-error",
        "12": "signal-loss",
    }
)

# Dexcom G7: states of its algorithm (LoopKit G7SensorKit). 6 is `ok` and no event.
DEXCOM_G7_STATES: Final = EventTable(
    {
        "1": "sensor-stop",
        "2": "warm-up",
        "7": "calibration-needed",
        "15": "sensor-expired",
        "18": "sensor-error",
        "24": "sensor-expired",
        "25": "sensor-failed",
        "26": "sensor-stop",
    }
)

# CareLink Connect JSON: sensorState (xDrip, CareLink for Windows, carelink-python-client). NORMAL and
# NO_ERROR_MESSAGE are no events; SG_BELOW_40_MGDL and SG_ABOVE_400_MGDL are readings.
CARELINK_SENSOR_STATES: Final = EventTable(
    {
        "CALIBRATION_REQUIRED": "calibration-needed",
        "BG_REQUIRED": "calibration-needed",
        "BG_RECOMMENDED": "calibration-needed",
        "CALIBRATING": "calibration",
        "PROCESSING_BG": "calibration",
        "WAIT_TO_CALIBRATE": "calibration-error",
        "DO_NOT_CALIBRATE": "calibration-error",
        "WARM_UP": "warm-up",
        "WAITING_WARM_UP": "warm-up",
        "CHANGE_SENSOR": "sensor-expired",
        "NO_DATA_FROM_PUMP": "connection-lost",
        "SEARCHING_FOR_SENSOR_SIGNAL": "signal-loss",
        "NO_SENSOR_SIGNAL": "signal-loss",
        "SENSOR_DISCONNECTED": "signal-loss",
        "SENSOR_OFF": "sensor-stop",
        "UPDATING": "sensor-error",
    }
)

# CareLink Connect JSON: types of markers that are neither doses nor glucose, and the states of the pump.
CARELINK_MARKERS: Final = EventTable(
    {
        "CALIBRATION": "calibration",
        "LOW_GLUCOSE_SUSPENDED": "pump-suspend-low",
        "AUTO_BASAL": "algorithm-on",
        "SAFE_BASAL": "algorithm-limited",
        "FEATURE_OFF": "algorithm-off",
        "SUSPEND_FIRED_LGS": "pump-suspend-low",
        "SUSPEND_FIRED_PLGM": "pump-suspend-predicted-low",
    }
)

# CareLink Connect JSON: faultId. 101 to 115 as Paradigm pumps number them (minimed_rf); the four of the 780G after a
# published document, where glucose fits them: it comes close to a limit, then passes it.
CARELINK_FAULTS: Final = EventTable(
    {
        "101": "alert-high",
        "102": "alert-low",
        "104": "calibration-needed",
        "105": "calibration-needed",
        "106": "calibration-error",
        "107": "sensor-expired",
        "112": "signal-loss",
        "113": "signal-loss",
        "114": "alert-predicted-high",
        "115": "alert-predicted-low",
        "802": "alert-low",
        "805": "alert-predicted-low",
        "816": "alert-high",
        "817": "alert-predicted-high",
    }
)

# CareLink CSV: columns Alarm, Suspend, Sensor Exception, Event Marker of the 780G and of Guardian Connect (exports
# inspected for structure), and words of older pumps' exports.
CARELINK_CSV: Final = EventTable(
    {
        "LOW SG": "alert-low",
        "LOW PREDICTED": "alert-predicted-low",
        "HIGH SG": "alert-high",
        "HIGH PREDICTED": "alert-predicted-high",
        "RISE RATE": "alert-rise",
        "FALL RATE": "alert-fall",
        "CAL NOW": "calibration-needed",
        "CAL ERROR": "calibration-error",
        "CHANGE SENSOR": "sensor-failed",
        "CHANGE SENSOR2": "sensor-failed",
        "LOST SENSOR": "signal-loss",
        "LOST SENSOR1": "signal-loss",
        "SENSOR CONNECTED": "signal-restored",
        "SENSOR END": "sensor-expired",
        "NORMAL_PUMPING": "pump-resume",
        "USER_SUSPEND": "pump-suspend",
        "NOTSEATED_SUSPEND": "pump-suspend",
        "ALARM_SUSPEND": "pump-suspend",
        "PLGM_PREDICTED_LOW_SG": "pump-suspend-predicted-low",
        "SENSOR_INIT_CODE": "warm-up",
        "SENSOR_CHANGE_SENSOR_ERROR": "sensor-failed",
        "SENSOR_END_OF_LIFE": "sensor-expired",
        "SENSOR_ERROR": "sensor-error",
        "New Device Time": "clock-change",
        "Rewind": "rewind",
        "Prime": "priming",
    }
)

# Eversense: phases of calibration (EversenseKit). UNKNOWN and DEBUG stay unmapped.
EVERSENSE_PHASES: Final = EventTable(
    {
        "WARM_UP": "warm-up",
        "1": "warm-up",
        "DAILY_CALIBRATION": "calibration-needed",
        "2": "calibration-needed",
        "INITIALIZATION": "calibration-needed",
        "3": "calibration-needed",
        "SUSPICIOUS": "calibration-error",
        "4": "calibration-error",
        "DROPOUT": "sensor-error",
        "7": "sensor-error",
    }
)

# Tandem pumps: number of the event in the pump's log (tconnectsync).
TANDEM_EVENTS: Final = EventTable({"11": "pump-suspend", "12": "pump-resume", "229": "temporary-target"})

# Tandem pumps: alerts, alarms and alerts of the sensor by number (tconnectsync). The unnamed ones stay unmapped.
TANDEM_ALERTS: Final = EventTable(
    {
        "0": "low-reservoir",
        "17": "low-reservoir",
        "2": "low-battery",
        "3": "low-battery",
        "5": "auto-off",
        "9": "connection-lost",
        "10": "connection-lost",
        "24": "connection-lost",
        **dict.fromkeys(("11", "12", "13", "14", "15", "16"), "incomplete-task"),
        "19": "transmitter-low-battery",
        "20": "transmitter-error",
        "22": "sensor-expiring",
        "23": "pump-error",
        "27": "calibration-error",
        "28": "calibration-error",
        "39": "transmitter-expired",
        **dict.fromkeys(("40", "41", "42", "48"), "sensor-error"),
        "54": "device-paired",
    }
)
TANDEM_ALARMS: Final = EventTable(
    {
        **dict.fromkeys(("0", "1", "5", "6", "9", "16", "20", "25", "29", "30", "31"), "reservoir-error"),
        "2": "occlusion",
        "26": "occlusion",
        "3": "pump-error",
        "7": "auto-off",
        "8": "empty-reservoir",
        **dict.fromkeys(("10", "11", "15", "21", "22", "24"), "pump-error"),
        "12": "empty-battery",
        "14": "pump-error",
        "18": "pump-suspend",
        "23": "pump-suspend",
    }
)
TANDEM_CGM_ALERTS: Final = EventTable(
    {
        "11": "sensor-failed",
        "13": "sensor-expired",
        "14": "out-of-range",
        "20": "transmitter-error",
        "26": "sensor-error",
        "27": "connection-lost",
        "39": "transmitter-expired",
    }
)

# Tandem pumps with a G7: AlgorithmState. 32 is a valid value and no event.
TANDEM_G7_STATES: Final = EventTable(
    {"2": "warm-up", "33": "sensor-error", **dict.fromkeys(("34", "35", "36", "37", "38", "39"), "sensor-stop")}
)

# Glooko and Omnipod: alarms as an English export writes them, in words that say it themselves. Other languages and
# words stay unmapped.
GLOOKO_ALARMS: Final = EventTable(
    {
        "Occlusion": "occlusion",
        "Occlusion Detected": "occlusion",
        "Low Reservoir": "low-reservoir",
        "Low Insulin": "low-reservoir",
        "Empty Reservoir": "empty-reservoir",
        "No Insulin": "empty-reservoir",
        "Low Battery": "low-battery",
        "No Delivery": "no-delivery",
        "Pod Activated": "pod-start",
        "Pod Expired": "pod-expired",
        "Auto-off": "auto-off",
        "Suspend": "pump-suspend",
        "Resume": "pump-resume",
        "Urgent Low Glucose": "alert-urgent-low",
        "Low Glucose": "alert-low",
        "High Glucose": "alert-high",
    }
)
