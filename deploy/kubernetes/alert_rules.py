"""Print deploy/prometheus/alerts.yaml as an object of the Prometheus Operator.

python deploy/kubernetes/alert_rules.py >deploy/kubernetes/components/monitoring/rules.yaml
"""

from pathlib import Path

ALERTS = Path(__file__).parents[1] / "prometheus/alerts.yaml"
_HEAD = """\
# Made by deploy/kubernetes/alert_rules.py from deploy/prometheus/alerts.yaml.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: activity
  labels: {app.kubernetes.io/name: activity}
spec:
"""


def rules() -> str:
    """Return the document: the alerts, indented, below `spec`."""
    lines = ALERTS.read_text().splitlines()
    return _HEAD + "".join(f"  {line}\n" if line else "\n" for line in lines)


if __name__ == "__main__":
    print(rules(), end="")
