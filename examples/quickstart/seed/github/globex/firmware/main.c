#include "sensor.h"

/* TODO: watchdog */
int main(void) {
    sensor_init();
    for (;;) {
        radio_send(sensor_read());
    }
}
