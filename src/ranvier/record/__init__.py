"""What is recorded, when, and how it is read from the state."""

from ranvier.record.record import Record as Record
