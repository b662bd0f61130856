// Runs a command and presses Ctrl-C for it: interrupt.exe FILE TIMES COMMAND...
//
// Waits until FILE exists, sends Ctrl-C to the console TIMES times, half a second apart, and prints the exit code of the command
// and the milliseconds from the last Ctrl-C to its end.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

static BOOL WINAPI ignore_event(DWORD event) {
    (void)event;
    return TRUE;
}

static int failed(const char *what) {
    fprintf(stderr, "%s failed: %lu\n", what, GetLastError());
    return 2;
}

int main(int count, char **arguments) {
    if (count < 4) return failed("interrupt.exe FILE TIMES COMMAND...");
    char command[4096] = "";
    for (int i = 3; i < count; i++) {
        strcat(strcat(command, i > 3 ? " \"" : "\""), arguments[i]);
        strcat(command, "\"");
    }
    // A handler, not the flag that ignores Ctrl-C, because the command would inherit the flag.
    if (!SetConsoleCtrlHandler(ignore_event, TRUE)) return failed("SetConsoleCtrlHandler");
    STARTUPINFOA startup = {.cb = sizeof startup};
    PROCESS_INFORMATION process;
    if (!CreateProcessA(NULL, command, NULL, NULL, TRUE, 0, NULL, NULL, &startup, &process)) return failed("CreateProcess");
    while (GetFileAttributesA(arguments[1]) == INVALID_FILE_ATTRIBUTES) {
        if (WaitForSingleObject(process.hProcess, 10) != WAIT_TIMEOUT) return failed("the command ended early; it");
    }
    for (int times = atoi(arguments[2]); times > 0; times--) {
        if (!GenerateConsoleCtrlEvent(CTRL_C_EVENT, 0)) return failed("GenerateConsoleCtrlEvent");
        if (times > 1) Sleep(500);
    }
    ULONGLONG pressed = GetTickCount64();
    if (WaitForSingleObject(process.hProcess, 120000) != WAIT_OBJECT_0) return failed("waiting for the command");
    DWORD code;
    if (!GetExitCodeProcess(process.hProcess, &code)) return failed("GetExitCodeProcess");
    printf("exit code %lu after %llu ms\n", code, GetTickCount64() - pressed);
    return 0;
}
